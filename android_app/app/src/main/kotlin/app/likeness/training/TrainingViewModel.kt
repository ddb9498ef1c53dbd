package app.likeness.training

import app.likeness.navigation.ViewModel
import app.likeness.problem.Problem
import app.likeness.problem.ProblemKind
import app.likeness.storage.ResumeRecord
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import app.likeness.storage.SubjectStore
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/**
 * @property subject null where it was deleted; the screen is done
 * @property training of this subject; where the worker does another, or nothing, what the disk says
 */
data class TrainingUiState(val subject: Subject? = null, val training: TrainingState = TrainingState()) {
    private val runs get() = training.stage == Stage.ENCODING || training.stage == Stage.TRAINING

    val isHeld: Boolean get() = runs && training.cause == Cause.PERSON
    val canPause: Boolean get() = runs && !isHeld
    val canGoOn: Boolean
        get() = isHeld || training.stage == Stage.SUSPENDED || training.stage == Stage.FAILED || isWaitingForTurn
    val canKeepSoFar: Boolean get() = training.stage == Stage.TRAINING
    val canDiscard: Boolean get() = training.stage != Stage.STOPPING && training.stage != Stage.DONE

    /** Not begun in this process. */
    private val isWaitingForTurn get() = training.stage == Stage.IDLE && subject?.state == SubjectState.LEARNING
}

/** How far one subject is; pause, go on, keep what is learned so far, or throw away. */
class TrainingViewModel(
    private val id: String,
    private val subjects: SubjectStore,
    private val worker: TrainingWorker,
    private val io: CoroutineDispatcher,
    scope: CoroutineScope,
    private val teach: (subjectId: String) -> Unit,
) : ViewModel<TrainingUiState>(TrainingUiState(subjects.find(id)), scope) {
    init {
        scope.launch {
            combine(subjects.subjects, worker.state, ::Pair).collect { (all, working) ->
                val subject = all.find { it.id == id }
                val training = if (working.subjectId == id) working else stored(subject)
                update { it.copy(subject = subject, training = training) }
            }
        }
    }

    fun pause() = worker.pause()

    fun goOn() = teach(id)

    fun keepSoFar() = worker.keepSoFar()

    fun discard() = worker.discard(id)

    private suspend fun stored(subject: Subject?): TrainingState = when (subject?.state) {
        SubjectState.READY -> TrainingState(id, Stage.DONE)
        SubjectState.LEARNING -> stored(withContext(io) { ResumeRecord.read(subjects.files(id).resume) })
        else -> TrainingState(id)
    }

    private fun stored(record: ResumeRecord): TrainingState {
        val kind = ProblemKind.entries.find { it.name == record.problem }
        val stage = when {
            kind != null -> Stage.FAILED
            record.held -> Stage.SUSPENDED
            else -> Stage.IDLE
        }
        return TrainingState(
            subjectId = id,
            stage = stage,
            step = record.step,
            steps = record.steps,
            cause = if (record.held) Cause.PERSON else null,
            problem = kind?.let { Problem(it, "") },
        )
    }
}
