"""The read side: signals.* and market.* in; REST, WebSocket and a web page out. It computes nothing of its own."""
