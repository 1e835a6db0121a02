"""One picture in many ways: methods side by side, and many samples of one fit."""
