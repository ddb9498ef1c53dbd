package app.likeness.bundle

import app.likeness.problem.Problem
import app.likeness.problem.problemOf
import app.likeness.runtime.CorruptFileException
import app.likeness.runtime.Studio
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext
import java.io.File

/** How far the model is. */
sealed interface ModelState {
    data object Closed : ModelState

    /** Being copied out of the app; bytes. */
    data class Copying(val done: Long, val total: Long) : ModelState

    /** The core checks and opens it: seconds. */
    data object Opening : ModelState

    data object Ready : ModelState

    data class Failed(val problem: Problem) : ModelState
}

/**
 * The one open model of the process, opened when it is first asked for.
 *
 * @param open opens the bundle in a folder, checking hashes or not
 */
class StudioProvider(
    private val installer: BundleInstaller,
    private val folder: File,
    private val io: CoroutineDispatcher,
    private val open: (folder: File, verifyHashes: Boolean) -> Studio,
) {
    private val mutex = Mutex()
    private val current = MutableStateFlow<ModelState>(ModelState.Closed)

    @Volatile
    private var studio: Studio? = null

    val state: StateFlow<ModelState> = current.asStateFlow()

    /** The model; copied and opened first where that is still to be done. Throws what is wrong; ask again to retry. */
    suspend fun get(): Studio = mutex.withLock {
        studio ?: try {
            // Kept before withContext() returns: where the caller is cancelled meanwhile, it returns nothing.
            withContext(io) { installed().also { studio = it } }.also { current.value = ModelState.Ready }
        } catch (error: CancellationException) {
            current.value = if (studio == null) ModelState.Closed else ModelState.Ready
            throw error
        } catch (error: Throwable) {
            current.value = ModelState.Failed(problemOf(error))
            throw error
        }
    }

    /** Frees what can be loaded again, where the model is open. Blocks for an instant. */
    fun trim() {
        studio?.trim()
    }

    private suspend fun installed(): Studio {
        val fresh = !installer.isInstalled()
        if (fresh) copy()
        return try {
            opened(verifyHashes = fresh)
        } catch (_: CorruptFileException) {
            // The storage lost something of the copy; the app's own model is whole.
            installer.remove()
            copy()
            opened(verifyHashes = true)
        }
    }

    private suspend fun copy() {
        val context = kotlin.coroutines.coroutineContext
        installer.install { done, total ->
            context.ensureActive()
            current.value = ModelState.Copying(done, total)
        }
    }

    private fun opened(verifyHashes: Boolean): Studio {
        current.value = ModelState.Opening
        return open(folder, verifyHashes)
    }
}
