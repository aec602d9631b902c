"""What happens at the touch and on the tape: costs, runs of takers, sweeps, absorption, footprints, liquidations."""
