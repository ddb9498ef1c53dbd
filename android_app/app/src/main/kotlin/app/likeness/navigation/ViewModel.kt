package app.likeness.navigation

import app.likeness.problem.Problem
import app.likeness.problem.problemOf
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Job
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch

/**
 * What a screen shows, as one immutable [state], and what it can be asked to do. It knows no Android and outlives the
 * views that show it. Its functions return at once; call them on the thread of [scope], which it owns.
 */
abstract class ViewModel<State>(initial: State, protected val scope: CoroutineScope) {
    private val current = MutableStateFlow(initial)

    val state: StateFlow<State> = current.asStateFlow()

    /** The screen was left. */
    fun close() = scope.cancel()

    protected fun update(change: (State) -> State) = current.update(change)

    /** Runs [work]; what it throws is [failed] with. */
    protected fun launch(failed: (Problem) -> Unit, work: suspend () -> Unit): Job = scope.launch {
        try {
            work()
        } catch (error: CancellationException) {
            throw error
        } catch (error: Throwable) {
            failed(problemOf(error))
        }
    }
}
