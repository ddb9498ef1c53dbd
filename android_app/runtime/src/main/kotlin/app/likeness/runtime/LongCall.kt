package app.likeness.runtime

import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.consumeEach
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.withContext
import kotlin.concurrent.thread

/** A call of the core that takes long and tells of its progress: painting, or a session's run. */
internal interface LongCall<E : Any> {
    /** The name of the thread it runs on. */
    val name: String

    /** On the collector's thread, before anything else; may refuse by throwing. */
    fun begin() = Unit

    /** On a thread of its own. */
    fun work(post: (E) -> Unit)

    /** On that thread after [work], whatever became of it. */
    fun end() = Unit

    /** From another thread, at any time after [begin], also after [end]: [work] is to return soon. */
    fun interrupt()

    /** Whether it is worthless as soon as another such event follows it. */
    fun isProgress(event: E): Boolean
}

/**
 * A cold flow of [LongCall]s, a new one for each collector.
 *
 * Whatever ends the collector before the call has ended (cancellation, an exception of its own) interrupts the call;
 * the collector goes on only when the call has ended.
 */
internal fun <E : Any> longCallFlow(newCall: () -> LongCall<E>): Flow<E> = flow {
    val call = newCall()
    val events = Events(call::isProgress)
    currentCoroutineContext().ensureActive()
    call.begin()
    start(call, events)
    try {
        events.forEach { emit(it) }
    } catch (reason: Throwable) {
        call.interrupt()
        val failure = withContext(NonCancellable) { events.awaitEnd() }
        if (failure != null && failure !is WorkCancelledException) reason.addSuppressed(failure)
        throw reason
    }
    events.failure?.let { throw it }
}

private fun <E : Any> start(call: LongCall<E>, events: Events<E>) {
    try {
        thread(name = call.name, isDaemon = true) {
            val outcome = runCatching { call.work(events::post) }
            val end = runCatching { call.end() } // before it is told: the collector may close then what the call used
            events.end(outcome.exceptionOrNull() ?: end.exceptionOrNull())
        }
    } catch (error: Throwable) {
        // no memory for a thread
        call.end()
        throw error
    }
}

/** What a call posted and its collector has not seen yet: from one thread to one coroutine. */
private class Events<E : Any>(private val isProgress: (E) -> Boolean) {
    private val waiting = ArrayDeque<E>()
    private val news = Channel<Unit>(Channel.CONFLATED)

    /** How the call ended; to be read after [forEach] or [awaitEnd]. */
    @Volatile
    var failure: Throwable? = null
        private set

    fun post(event: E) {
        synchronized(waiting) {
            if (isProgress(event) && waiting.lastOrNull()?.let(isProgress) == true) waiting.removeLast()
            waiting.addLast(event)
        }
        news.trySend(Unit)
    }

    fun end(failure: Throwable?) {
        this.failure = failure
        news.close()
    }

    /** Returns after the last event: news follow every event, and a channel that closes keeps them. */
    suspend fun forEach(action: suspend (E) -> Unit) {
        for (signal in news) {
            while (true) action(next() ?: break)
        }
    }

    suspend fun awaitEnd(): Throwable? {
        news.consumeEach {}
        return failure
    }

    private fun next(): E? = synchronized(waiting) { waiting.removeFirstOrNull() }
}
