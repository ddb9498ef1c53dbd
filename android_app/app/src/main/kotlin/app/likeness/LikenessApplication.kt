package app.likeness

import android.app.Application
import android.content.Context
import app.likeness.conditions.freesIdleMemory
import kotlinx.coroutines.launch

/** The process: it holds the graph and hears that memory is short. */
class LikenessApplication : Application() {
    lateinit var graph: AppGraph
        private set

    override fun onCreate() {
        super.onCreate()
        graph = AppGraph(this)
    }

    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        val isShort = graph.monitor.onTrimMemory(level)
        if (isShort || freesIdleMemory(level, graph.worker.working.value)) {
            graph.scope.launch(graph.io) { graph.studios.trim() }
        }
    }
}

val Context.graph: AppGraph get() = (applicationContext as LikenessApplication).graph
