package app.likeness.runtime

/**
 * How to open a bundle.
 *
 * @property verifyHashes hash every file of the bundle when it is opened
 * @property threads 0: one a physical core. The same for all engines of a process
 * @property memoryLimitBytes 0: none. Otherwise programs beyond it are loaded when they are needed and unloaded at
 *   once, which is slower
 */
data class EngineOptions(val verifyHashes: Boolean = true, val threads: Int = 0, val memoryLimitBytes: Long = 0)
