export type UndoKept = "file" | "this_run" | "memory" | "not";
