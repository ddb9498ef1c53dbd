"""Pure definitions shared by training, export and tests: nothing here trains, exports or reads a photo."""
