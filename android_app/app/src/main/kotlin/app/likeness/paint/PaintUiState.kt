package app.likeness.paint

import app.likeness.problem.Problem
import app.likeness.storage.KeptPicture
import app.likeness.storage.Subject

/** What a person asks for. [seed] is 0 or more. */
data class PaintSettings(
    val prompt: String = "",
    val negativePrompt: String = "",
    val seed: Long = 0,
    val steps: Int = 20,
    val guidance: Double = 5.0,
    val count: Int = 1,
)

/**
 * @property subjects those that can be painted
 * @property used those that the prompt names
 * @property mostSubjects how many the model can tell apart in one prompt
 * @property newSeedEachTime the seed is drawn anew for each painting
 * @property progress null: nothing is being painted
 * @property painted the pictures of the last painting; they are kept already
 */
data class PaintUiState(
    val subjects: List<Subject> = emptyList(),
    val settings: PaintSettings = PaintSettings(),
    val used: List<Subject> = emptyList(),
    val mostSubjects: Int = 2,
    val newSeedEachTime: Boolean = true,
    val progress: PaintProgress? = null,
    val painted: List<KeptPicture> = emptyList(),
    val problem: Problem? = null,
) {
    val tooManySubjects: Boolean get() = used.sumOf { it.tokens.size } > mostSubjects

    val canPaint: Boolean get() = progress == null && settings.prompt.isNotBlank() && !tooManySubjects

    companion object {
        val STEPS = 1..50
        val COUNTS = 1..8
        const val LEAST_GUIDANCE = 1.0
        const val MOST_GUIDANCE = 15.0
    }
}

/** [done] of [total] calls of the model; 0 of 0 while it is being opened. */
data class PaintProgress(val done: Long = 0, val total: Long = 0)
