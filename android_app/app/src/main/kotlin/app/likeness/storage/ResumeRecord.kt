package app.likeness.storage

import java.io.File
import java.io.IOException

/**
 * Whether a subject goes on learning by itself after the process was killed.
 *
 * @property held a person paused it: it goes on only when they say so
 * @property attempts runs in a row that ended without a step; more than [MAX_ATTEMPTS] and it waits for a person, so
 *   that a run which ends the process is not begun for ever
 * @property step steps done when it was last written, of [steps]
 */
data class ResumeRecord(
    val held: Boolean = false,
    val attempts: Int = 0,
    val step: Long = 0,
    val steps: Long = 0,
    val problem: String = "",
) {
    val goesOnByItself: Boolean get() = !held && problem.isEmpty() && attempts < MAX_ATTEMPTS

    fun write(disk: Disk, file: File) = PropertiesFile.write(
        disk,
        file,
        mapOf(
            "held" to held.toString(),
            "attempts" to attempts.toString(),
            "step" to step.toString(),
            "steps" to steps.toString(),
            "problem" to problem,
        ),
    )

    companion object {
        const val MAX_ATTEMPTS = 3

        /** A person wants it to go on: nothing of the record at [file] is in the way any longer. */
        fun release(disk: Disk, file: File) =
            read(file).copy(held = false, attempts = 0, problem = "").write(disk, file)

        /** A subject without a record, or with a damaged one, has not run yet. */
        fun read(file: File): ResumeRecord = try {
            val values = PropertiesFile.read(file)
            ResumeRecord(
                held = values["held"].toBoolean(),
                attempts = values.long("attempts").toInt(),
                step = values.long("step"),
                steps = values.long("steps"),
                problem = values["problem"].orEmpty(),
            )
        } catch (_: IOException) {
            ResumeRecord()
        }
    }
}
