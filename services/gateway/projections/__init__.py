"""Topics to views: PostgreSQL keeps history, Redis the newest."""
