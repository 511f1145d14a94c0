"""A shop with tills: the models, and the service that its tills talk to."""
