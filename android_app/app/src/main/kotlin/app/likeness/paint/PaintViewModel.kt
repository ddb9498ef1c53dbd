package app.likeness.paint

import app.likeness.navigation.ViewModel
import app.likeness.problem.Problem
import app.likeness.storage.KeptPicture
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import app.likeness.storage.SubjectStore
import app.likeness.training.TrainingWorker
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.launch
import kotlin.random.Random

/** A prompt, with the subjects it names, and what was painted last. Painting goes on while other screens show. */
class PaintViewModel(
    private val subjects: SubjectStore,
    private val painter: Painter,
    private val worker: TrainingWorker,
    scope: CoroutineScope,
    private val random: Random = Random.Default,
) : ViewModel<PaintUiState>(PaintUiState(), scope) {
    private var painting: Job? = null

    /** Settings were chosen: the model's recommended ones, which come later, stay out. */
    private var chosen = false

    init {
        scope.launch {
            subjects.subjects.collect { all ->
                update {
                    withMentions(it.copy(subjects = all.filter { subject -> subject.state == SubjectState.READY }))
                }
            }
        }
        launch(::show) {
            val (sampling, mostSubjects) = painter.defaults()
            update {
                val recommended = it.settings.copy(
                    negativePrompt = sampling.negativePrompt,
                    steps = sampling.steps.toInt().coerceIn(PaintUiState.STEPS),
                    guidance = sampling.guidanceScale,
                )
                it.copy(settings = if (chosen) it.settings else recommended, mostSubjects = mostSubjects)
            }
        }
    }

    /** Begins a prompt for the subject [id], unless the prompt names it already. */
    fun beginWith(id: String) {
        val subject = subjects.find(id) ?: return
        if (subject !in state.value.used) setPrompt("a photo of a ${subject.words}")
    }

    /** The settings that [picture] was painted with; with them it is painted again, or changed. */
    fun beginWith(picture: KeptPicture) {
        choose {
            PaintSettings(
                picture.prompt,
                picture.negativePrompt,
                picture.seed,
                picture.steps.toInt().coerceIn(PaintUiState.STEPS),
                picture.guidance.coerceIn(PaintUiState.LEAST_GUIDANCE, PaintUiState.MOST_GUIDANCE),
                count = (picture.index + 1).coerceIn(PaintUiState.COUNTS),
            )
        }
        update { withMentions(it.copy(newSeedEachTime = false, painted = emptyList())) }
    }

    fun setPrompt(prompt: String) = update { withMentions(it.copy(settings = it.settings.copy(prompt = prompt))) }

    /** Puts [subject]'s words into the prompt at [position]; returns the position behind them. */
    fun insert(subject: Subject, position: Int): Int {
        val (prompt, end) = insertWords(state.value.settings.prompt, subject.words, position)
        setPrompt(prompt)
        return end
    }

    fun setNegativePrompt(text: String) = choose { it.copy(negativePrompt = text) }

    /** [text] as typed; what is no number is seed 0. A seed that is typed is meant to stay. */
    fun setSeed(text: String) {
        val seed = text.filter(Char::isDigit).toLongOrNull() ?: 0
        update { it.copy(settings = it.settings.copy(seed = seed), newSeedEachTime = false) }
    }

    fun setNewSeedEachTime(each: Boolean) = update { it.copy(newSeedEachTime = each) }

    fun setSteps(steps: Int) = choose { it.copy(steps = steps.coerceIn(PaintUiState.STEPS)) }

    fun setGuidance(guidance: Double) =
        choose { it.copy(guidance = guidance.coerceIn(PaintUiState.LEAST_GUIDANCE, PaintUiState.MOST_GUIDANCE)) }

    fun setCount(count: Int) =
        update { it.copy(settings = it.settings.copy(count = count.coerceIn(PaintUiState.COUNTS))) }

    fun paint() {
        if (!state.value.canPaint) return
        if (state.value.newSeedEachTime) {
            update { it.copy(settings = it.settings.copy(seed = random.nextLong(MOST_SEED))) }
        }
        update { it.copy(progress = PaintProgress(), problem = null) }
        painting = launch(::show) {
            try {
                val now = state.value
                val painted = worker.whilePainting {
                    painter.paint(now.settings, now.used) { progress -> update { it.copy(progress = progress) } }
                }
                update { it.copy(painted = painted) }
            } finally {
                update { it.copy(progress = null) }
            }
        }
    }

    fun cancel() {
        painting?.cancel()
    }

    fun dismissProblem() = update { it.copy(problem = null) }

    /** A view that only shows what is chosen already chooses nothing. */
    private fun choose(change: (PaintSettings) -> PaintSettings) {
        val settings = change(state.value.settings)
        if (settings == state.value.settings) return
        chosen = true
        update { it.copy(settings = settings) }
    }

    private fun withMentions(state: PaintUiState) = state.copy(used = subjectsIn(state.settings.prompt, state.subjects))

    private fun show(problem: Problem) = update { it.copy(problem = problem) }

    private companion object {
        /** Short enough to be read aloud and typed again. */
        const val MOST_SEED = 1_000_000L
    }
}
