"""The studio: a web page to edit pictures on, for one visitor or many; what it is made of knows nothing of the page."""
