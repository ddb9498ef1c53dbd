package app.likeness.views

import android.widget.ImageView
import app.likeness.platform.Bitmaps
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import java.io.File

/** Shows files in views that a list uses again and again: a picture that comes late for its view is dropped. */
class PictureLoader(private val scope: CoroutineScope, private val io: CoroutineDispatcher, private val side: Int) {
    /** [version] differs where the file was replaced. */
    fun show(file: File, view: ImageView, version: Any = Unit) {
        val wanted = file to version
        if (view.tag == wanted) return
        view.tag = wanted
        view.setImageDrawable(null)
        scope.launch {
            val bitmap = withContext(io) { Bitmaps.read(file, side) }
            if (view.tag == wanted) view.setImageBitmap(bitmap)
        }
    }
}
