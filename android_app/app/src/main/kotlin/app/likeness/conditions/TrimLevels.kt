package app.likeness.conditions

/** The levels of Android's `onTrimMemory`, by number: their meaning is decided here, where it can be tested. */
object TrimLevels {
    const val RUNNING_MODERATE = 5
    const val RUNNING_LOW = 10
    const val RUNNING_CRITICAL = 15
    const val UI_HIDDEN = 20
    const val BACKGROUND = 40
    const val MODERATE = 60
    const val COMPLETE = 80
}

/**
 * What a call of `onTrimMemory` with [level] says about memory; null where it says nothing. `UI_HIDDEN` only says that
 * the person looks elsewhere, which is when training matters most; `BACKGROUND` that nothing is short yet.
 */
fun memoryPressureOf(level: Int): MemoryPressure? = when {
    level >= TrimLevels.COMPLETE -> MemoryPressure.CRITICAL
    level >= TrimLevels.MODERATE -> MemoryPressure.LOW
    level >= TrimLevels.UI_HIDDEN -> null
    level >= TrimLevels.RUNNING_CRITICAL -> MemoryPressure.CRITICAL
    level >= TrimLevels.RUNNING_LOW -> MemoryPressure.LOW
    else -> null
}

/** Whether what can be loaded again should go at [level]: in the background, the larger process is ended first. */
fun freesIdleMemory(level: Int, working: Boolean): Boolean = level >= TrimLevels.BACKGROUND && !working
