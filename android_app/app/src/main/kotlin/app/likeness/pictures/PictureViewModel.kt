package app.likeness.pictures

import app.likeness.navigation.ViewModel
import app.likeness.problem.Problem
import app.likeness.storage.Documents
import app.likeness.storage.KeptPicture
import app.likeness.storage.PictureStore
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.withContext
import java.io.File

/**
 * @property picture null where it was deleted meanwhile
 * @property saved it was written outside the app just now
 * @property deleted the screen is done
 */
data class PictureUiState(
    val picture: KeptPicture? = null,
    val saving: Boolean = false,
    val saved: Boolean = false,
    val deleted: Boolean = false,
    val problem: Problem? = null,
)

/** One kept picture: how it was painted; saving it outside the app, deleting it. */
class PictureViewModel(
    private val id: String,
    private val store: PictureStore,
    private val documents: Documents,
    private val io: CoroutineDispatcher,
    scope: CoroutineScope,
) : ViewModel<PictureUiState>(PictureUiState(store.find(id)), scope) {
    val file: File get() = store.file(id)

    /** What the file is called outside. The prompt is not in it: a name is seen by whoever gets the picture. */
    val fileName: String get() = "likeness-${state.value.picture?.seed ?: 0}-$id.png"

    fun saveToGallery() = save { documents.addToGallery(file, fileName) }

    fun saveTo(reference: String) = save { documents.write(reference, file) }

    fun delete() {
        launch(::show) {
            withContext(io) { store.delete(id) }
            update { it.copy(picture = null, deleted = true) }
        }
    }

    fun dismissMessage() = update { it.copy(saved = false, problem = null) }

    private fun save(write: () -> Unit) {
        if (state.value.saving) return
        update { it.copy(saving = true, saved = false, problem = null) }
        launch({ problem -> update { it.copy(saving = false, problem = problem) } }) {
            withContext(io) { write() }
            update { it.copy(saving = false, saved = true) }
        }
    }

    private fun show(problem: Problem) = update { it.copy(problem = problem) }
}
