package app.likeness.pictures

import app.likeness.navigation.ViewModel
import app.likeness.storage.KeptPicture
import app.likeness.storage.PictureStore
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch
import java.io.File

data class PicturesUiState(val pictures: List<KeptPicture> = emptyList())

/** The kept pictures, newest first. */
class PicturesViewModel(private val store: PictureStore, scope: CoroutineScope) :
    ViewModel<PicturesUiState>(PicturesUiState(store.pictures.value), scope) {
    init {
        scope.launch { store.pictures.collect { pictures -> update { it.copy(pictures = pictures) } } }
    }

    fun file(id: String): File = store.file(id)
}
