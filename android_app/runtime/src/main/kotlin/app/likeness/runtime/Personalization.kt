package app.likeness.runtime

import kotlinx.coroutines.flow.Flow
import java.io.File

/**
 * Photos in, adapter out: what an app sees of a session. [Session] is the real one; an app's tests may have their own.
 *
 * It belongs to one thread at a time: while a function runs, every other but [pause], [unpause] and [cancel] throws
 * [BusyException] on other threads. Functions block; call them off the main thread.
 */
interface Personalization : AutoCloseable {
    /**
     * Adds a photo, of which the centre square is used.
     *
     * @throws BadPhotoException where a side is shorter than 32 pixels
     * @throws InvalidArgumentException where the photos are encoded already
     */
    fun addPhoto(photo: Picture)

    /** What the session will do and need; how far it is. */
    val plan: Plan

    /**
     * Encodes the photos, once, and trains; completes when the last step is done.
     *
     * Cold: collecting it runs the session, on a thread of its own. A slow collector misses [TrainEvent.Progress] in
     * between, never a preview and never the last event. Cancelling the collector cancels the session, which writes a
     * checkpoint; the collector ends only then. After any end the session may be run again and goes on where it was.
     *
     * Collecting throws [BusyException] where the session is in use, [WorkCancelledException] after [cancel],
     * [NotFiniteException] where training diverged and [DiskFullException]; the last checkpoint is whole after each.
     */
    fun run(): Flow<TrainEvent>

    /** From any thread. Takes effect before the next step, after a checkpoint; it lasts until [unpause]. */
    fun pause()

    /** From any thread: goes on after [pause]. */
    fun unpause()

    /**
     * From any thread, also while paused: [run] writes a checkpoint and throws [WorkCancelledException]. Where the
     * session does not run, its next run ends so at once.
     */
    fun cancel()

    /**
     * Writes what was learned so far as an adapter file, replaced as a whole.
     *
     * @throws InvalidArgumentException where nothing is learned yet
     */
    fun saveAdapter(file: File)

    /**
     * Frees the session; its journal stays. Closing twice does nothing; every other call afterwards throws
     * IllegalStateException. A session that nobody closes keeps its memory and its journal until the process ends.
     *
     * @throws BusyException where it is in use, and it is not closed then: cancel it, or the collector of [run], first
     */
    override fun close()
}
