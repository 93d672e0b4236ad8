"""The REST door: an office's system sends and receives by HTTP requests, and hears news by a feed and by webhooks."""
