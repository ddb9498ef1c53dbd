package app.likeness.teach

import app.likeness.navigation.ViewModel
import app.likeness.problem.Problem
import app.likeness.problem.problemOf
import app.likeness.runtime.Picture
import app.likeness.storage.DraftStore
import app.likeness.storage.Names
import app.likeness.storage.Subject
import app.likeness.storage.SubjectState
import app.likeness.storage.SubjectStore
import app.likeness.storage.newId
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.withContext

/** Puts a subject together: photos, a name, what it is; shows what teaching will take, and starts it. */
class TeachViewModel(
    private val drafts: DraftStore,
    private val subjects: SubjectStore,
    private val planner: Planner,
    private val photos: PhotoSource,
    private val io: CoroutineDispatcher,
    scope: CoroutineScope,
    private val now: () -> Long,
    private val teach: (subjectId: String) -> Unit,
) : ViewModel<TeachUiState>(TeachUiState(), scope) {
    private var planning: Job? = null
    private var saving: Job? = null

    init {
        launch(::show) {
            val draft = withContext(io) { drafts.read() }
            update { it.copy(loaded = true, name = draft.name, className = draft.className, photos = draft.photos) }
            plan()
            val classes = planner.classes()
            update { it.copy(classes = classes) }
        }
    }

    fun setName(name: String) {
        update { it.copy(name = name.take(Names.MAX_NAME)) }
        saveNames()
    }

    fun setClassName(className: String) {
        update { it.copy(className = className.take(Names.MAX_CLASS)) }
        saveNames()
        plan()
    }

    /** [references] as the photo picker gave them; more than there is room for are left out. */
    fun addPhotos(references: List<String>) {
        if (!state.value.loaded) return addWhenLoaded(references)
        if (!state.value.canAdd || references.isEmpty()) return
        val chosen = references.take(TeachUiState.MAX_PHOTOS - state.value.photos.size)
        update { it.copy(adding = Adding(0, chosen.size), refused = 0, problem = null) }
        launch(::show) {
            try {
                chosen.forEachIndexed { index, reference ->
                    addPhoto(reference)
                    update { it.copy(adding = Adding(index + 1, chosen.size)) }
                }
                refreshPhotos()
            } finally {
                update { it.copy(adding = null) }
            }
            plan()
        }
    }

    /** The picker may have outlived the process: its photos come before the draft was read again. */
    private fun addWhenLoaded(references: List<String>) {
        launch(::show) {
            state.first { it.loaded }
            addPhotos(references)
        }
    }

    fun removePhoto(number: Int) {
        launch(::show) {
            withContext(io) { drafts.removePhoto(number) }
            refreshPhotos()
            plan()
        }
    }

    /** For the view's thumbnails; null where the photo was removed meanwhile. */
    suspend fun photo(number: Int): Picture? = withContext(io) { runCatching { drafts.readPhoto(number) }.getOrNull() }

    /** Forgets the draft and its photos. */
    fun discard() {
        planning?.cancel()
        launch(::show) {
            saving?.join()
            withContext(io) { drafts.clear() }
            update { TeachUiState(loaded = true, classes = it.classes, discarded = true) }
        }
    }

    fun dismissProblem() = update { it.copy(problem = null, refused = 0) }

    fun start() {
        if (!state.value.canStart) return
        update { it.copy(starting = true, problem = null) }
        launch({ problem -> update { it.copy(starting = false, problem = problem) } }) {
            saving?.join()
            val subject = subject()
            withContext(io) { drafts.promote(subjects, subject) }
            teach(subject.id)
            update { it.copy(starting = false, startedId = subject.id) }
        }
    }

    private fun subject(): Subject {
        val name = Names.clean(state.value.name)
        val token = Names.token(name, subjects.takenTokens())
        val className = Names.clean(state.value.className, Names.MAX_CLASS).lowercase()
        return Subject(newId(), name, className, listOf(token), SubjectState.LEARNING, now())
    }

    private suspend fun addPhoto(reference: String) {
        try {
            val photo = withContext(io) { photos.read(reference) }
            planner.check(photo)
            withContext(io) { drafts.addPhoto(photo) }
        } catch (error: CancellationException) {
            throw error
        } catch (error: Throwable) {
            update { it.copy(refused = it.refused + 1, problem = problemOf(error)) }
        }
    }

    private suspend fun refreshPhotos() {
        val photos = withContext(io) { drafts.read() }.photos
        update { it.copy(photos = photos) }
    }

    /** Saved in order, and only the last of many quick changes. */
    private fun saveNames() {
        saving?.cancel()
        saving = launch(::show) {
            delay(TYPING_MILLIS)
            val now = state.value
            withContext(io) { drafts.setNames(now.name, now.className) }
        }
    }

    private fun plan() {
        planning?.cancel()
        val now = state.value
        val className = Names.clean(now.className, Names.MAX_CLASS).lowercase()
        if (now.photos.isEmpty() || className.isEmpty()) {
            return update { it.copy(forecast = ForecastState.NothingToPlan) }
        }
        update { it.copy(forecast = ForecastState.Computing) }
        planning = launch({ problem -> update { it.copy(forecast = ForecastState.Failed(problem)) } }) {
            delay(TYPING_MILLIS)
            val forecast = planner.forecast(className, now.photos)
            update { it.copy(forecast = ForecastState.Known(forecast)) }
        }
    }

    private fun show(problem: Problem) = update { it.copy(problem = problem) }

    private companion object {
        /** Typing pauses that long before anything is saved or computed. */
        const val TYPING_MILLIS = 300L
    }
}
