"""GitHub and GitLab, as pipelines need them: comments of a bot, check runs, plans that a pipeline has kept."""
