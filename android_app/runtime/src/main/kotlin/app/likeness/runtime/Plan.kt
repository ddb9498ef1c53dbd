package app.likeness.runtime

/**
 * What a session will do and need; bytes are estimates.
 *
 * @property steps all of them
 * @property views augmented views of all photos together
 * @property instanceRows a step's rows that show the subject
 * @property priorRows a step's rows that show others of its class
 * @property memoryBytes peak, with the engine's memory limit
 * @property residentMemoryBytes peak without a limit
 * @property journalBytes storage that a whole session takes
 * @property staged the limit makes programs load again at every step
 * @property priorClass whose prior is used: the class, another, `*` all together, empty: none
 */
data class Plan(
    val steps: Long,
    val stepsDone: Long,
    val photos: Long,
    val views: Long,
    val instanceRows: Long,
    val priorRows: Long,
    val memoryBytes: Long,
    val residentMemoryBytes: Long,
    val journalBytes: Long,
    val staged: Boolean,
    val priorClass: String,
)
