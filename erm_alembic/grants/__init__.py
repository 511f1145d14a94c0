"""What a role needs for a project: gathered from a trial in the shadow and from who has what on the target."""
