"""Files of what the authors' packages computed, in environments of their own."""

collect_ignore = ["authors"]  # a command that those environments run
