"""How it is said: topics, codec, and the two ways to consume (`fold`, `react`)."""
