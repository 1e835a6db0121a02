"""Where an edit may happen: masks from words, by the network's own attention, and from clicks, by Segment Anything."""
