"""Views to clients that listen: WebSocket and server-sent events."""
