"""Where a database, its recorded history and the models differ: one file a source, `in_plan` for what a plan asks."""
