"""The engines of a cluster's servers, and the connections that are open to them."""
