"""Other people's frameworks: tokens that travel with cookies, headers and messages, sessions of their kind."""
