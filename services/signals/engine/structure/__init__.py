"""Smart-money structures over closed bars, each found once, at the close at which it could first be known."""
