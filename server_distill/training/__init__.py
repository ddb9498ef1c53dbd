"""What every training program shares: the loop, its options, checkpoints, trackers."""
