"""From the buffer to the broker: bounded, over disk where it has to be, accounted for."""
