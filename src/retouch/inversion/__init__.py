"""How a picture is carried up into noise, and what the texts mean on the way down."""
