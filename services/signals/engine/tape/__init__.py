"""What takers do, bar by bar: cumulative delta at pivots, and over venues."""
