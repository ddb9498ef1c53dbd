package app.likeness.navigation

import android.content.Context
import app.likeness.AppGraph
import app.likeness.paint.PaintViewModel
import app.likeness.pictures.PictureViewModel
import app.likeness.pictures.PicturesViewModel
import app.likeness.platform.MainThread
import app.likeness.subjects.SubjectsViewModel
import app.likeness.teach.TeachViewModel
import app.likeness.training.TrainingViewModel
import app.likeness.training.service.TrainingService
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.SupervisorJob

/**
 * The view models of the screens that are open: made when a screen first shows, kept while the screen rotates, closed
 * when it is left. The tabs' are kept until the app is left.
 */
class ViewModels(private val context: Context, private val graph: AppGraph) {
    private val open = mutableMapOf<String, ViewModel<*>>()

    val subjects: SubjectsViewModel
        get() = keep("subjects") {
            SubjectsViewModel(
                graph.subjects,
                graph.studios,
                graph.worker,
                graph.adapters,
                graph.documents,
                graph.io,
                newScope(),
            )
        }
    val paint: PaintViewModel
        get() = keep("paint") { PaintViewModel(graph.subjects, graph.painter, graph.worker, newScope()) }
    val pictures: PicturesViewModel
        get() = keep("pictures") { PicturesViewModel(graph.pictures, newScope()) }
    val teach: TeachViewModel
        get() = keep(Route.Teach.text) {
            TeachViewModel(
                graph.drafts,
                graph.subjects,
                graph.planner,
                graph.photos,
                graph.io,
                newScope(),
                System::currentTimeMillis,
                ::startTeaching,
            )
        }

    fun training(route: Route.Training) = keep(route.text) {
        TrainingViewModel(route.subjectId, graph.subjects, graph.worker, graph.io, newScope(), ::startTeaching)
    }

    fun picture(route: Route.PictureDetail) = keep(route.text) {
        PictureViewModel(route.pictureId, graph.pictures, graph.documents, graph.io, newScope())
    }

    /** Closes those that neither a tab nor [stack] needs. */
    fun closeAllBut(stack: BackStack) {
        val needed = TABS + stack.routes.map(Route::text)
        open.keys.filter { it !in needed }.forEach { open.remove(it)?.close() }
    }

    fun closeAll() = open.values.forEach(ViewModel<*>::close)

    private fun startTeaching(subjectId: String) = TrainingService.teach(context, subjectId)

    private fun newScope() = CoroutineScope(MainThread + SupervisorJob())

    private inline fun <reified V : ViewModel<*>> keep(key: String, make: () -> V): V = open.getOrPut(key, make) as V

    private companion object {
        val TABS = setOf("subjects", "paint", "pictures")
    }
}
