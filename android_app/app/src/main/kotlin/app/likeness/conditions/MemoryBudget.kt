package app.likeness.conditions

/**
 * Memory that the core may use on a phone with [totalBytes]: a third. Android ends the process that takes much more,
 * and other apps must be able to stay. Where a model needs more, the core loads its parts in turns.
 */
fun memoryBudget(totalBytes: Long): Long = totalBytes / 3
