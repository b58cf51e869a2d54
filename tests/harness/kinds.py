"""The worker kinds there are: what every one of them must do is checked under each."""

KINDS = ["sync", "gthread"]
