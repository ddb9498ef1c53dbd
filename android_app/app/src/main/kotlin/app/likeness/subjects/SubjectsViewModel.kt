package app.likeness.subjects

import app.likeness.bundle.ModelState
import app.likeness.bundle.StudioProvider
import app.likeness.navigation.ViewModel
import app.likeness.problem.Problem
import app.likeness.storage.AdapterImport
import app.likeness.storage.Documents
import app.likeness.storage.Subject
import app.likeness.storage.SubjectStore
import app.likeness.training.TrainingState
import app.likeness.training.TrainingWorker
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.io.File

/** Something was done that the list alone does not show. */
enum class SubjectsNotice { IMPORTED, EXPORTED }

/**
 * @property model whether the model is there, or how far it is on its way
 * @property training what the worker does, for the subject it does it for
 * @property exportingId the subject whose adapter is being exported while a person chooses where to
 */
data class SubjectsUiState(
    val subjects: List<Subject> = emptyList(),
    val model: ModelState = ModelState.Closed,
    val training: TrainingState = TrainingState(),
    val importing: Boolean = false,
    val exportingId: String? = null,
    val notice: SubjectsNotice? = null,
    val problem: Problem? = null,
)

/** The gallery: subjects that are known, that are being learned, that wait. */
class SubjectsViewModel(
    private val store: SubjectStore,
    private val studios: StudioProvider,
    private val worker: TrainingWorker,
    private val adapters: AdapterImport,
    private val documents: Documents,
    private val io: CoroutineDispatcher,
    scope: CoroutineScope,
) : ViewModel<SubjectsUiState>(SubjectsUiState(), scope) {
    init {
        scope.launch {
            combine(store.subjects, studios.state, worker.state) { subjects, model, training ->
                update { it.copy(subjects = subjects, model = model, training = training) }
            }.collect {}
        }
        openModel()
    }

    /** Opens the model early, so that no other screen waits for it; again after a failure. */
    fun openModel() {
        // A failure is part of the provider's state, which this screen shows.
        launch({}) { studios.get() }
    }

    fun previewFile(id: String): File = store.files(id).preview

    /** What an exported adapter is called outside. */
    fun fileName(subject: Subject): String =
        subject.name.map { if (it.isLetterOrDigit()) it else '-' }.joinToString("").ifEmpty { "subject" } +
            ".safetensors"

    fun import(reference: String) {
        if (state.value.importing) return
        update { it.copy(importing = true, notice = null, problem = null) }
        launch({ problem -> update { it.copy(importing = false, problem = problem) } }) {
            val studio = studios.get()
            withContext(io) {
                documents.open(reference).use { adapters.import(studio, it.stream, it.name) }
            }
            update { it.copy(importing = false, notice = SubjectsNotice.IMPORTED) }
        }
    }

    /** The subject whose adapter goes to the document that is chosen next. */
    fun chooseForExport(id: String) = update { it.copy(exportingId = id) }

    /**
     * Does nothing where the process was killed while the person chose: they see no notice, and the document is empty.
     */
    fun exportTo(reference: String) {
        val id = state.value.exportingId ?: return
        update { it.copy(exportingId = null, notice = null, problem = null) }
        launch(::show) {
            withContext(io) { documents.write(reference, store.files(id).adapter) }
            update { it.copy(notice = SubjectsNotice.EXPORTED) }
        }
    }

    /** All traces of it, at once. */
    fun delete(id: String) = worker.discard(id)

    fun dismissMessage() = update { it.copy(notice = null, problem = null) }

    private fun show(problem: Problem) = update { it.copy(problem = problem) }
}
