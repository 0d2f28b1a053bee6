"""The pages of the service for people in a browser: what `show` and the listings tell, with links and pictures."""
