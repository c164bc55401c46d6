"""The planners, by name. One entry here, one file in `services/planner/planners/`."""

PLANNERS = {
    "outline": "the structure of the notes becomes the tree of tasks; no model",
    "import": "a plan as JSON, or a workflow in WfCommons WfFormat 1.5",
}
