package app.likeness.runtime

import kotlinx.coroutines.flow.Flow
import java.io.File

/**
 * What an app sees of an open bundle. [Engine] is the real one; an app's tests may have their own.
 *
 * Any number of threads may use a studio at the same time. Functions that are not flows block their thread, for
 * seconds where they read or write files or run the model: call them off the main thread.
 */
interface Studio : AutoCloseable {
    /** What the bundle holds; readable after [close] too. */
    val info: EngineInfo

    /**
     * The bundle's recommended settings for learning a subject.
     *
     * @param className what the photos show, in a word: dog, mug
     * @param token a new word for the subject: `<my-dog>`
     */
    fun trainSettings(className: String, token: String): TrainSettings

    /** The bundle's recommended settings for painting [prompt]. */
    fun sampleSettings(prompt: String): SampleSettings

    /**
     * A new session, to be closed.
     *
     * @param journal the folder that keeps the session's checkpoints, made where it is missing; null: nothing
     *   survives the process
     * @throws InvalidArgumentException for settings that cannot be, and where the folder holds a session already:
     *   resume that one or remove it
     * @throws BusyException where another session is using the folder
     */
    fun createSession(settings: TrainSettings, journal: File?): Personalization

    /**
     * An interrupted session, from its last checkpoint, with the settings it was created with.
     *
     * @throws InvalidArgumentException where there is none, or where it was interrupted before its photos were
     *   encoded: create it again
     * @throws WrongModelException where it was begun on another model
     * @throws BusyException where another session is using the folder
     */
    fun resumeSession(journal: File): Personalization

    /**
     * What a session saved, to be closed.
     *
     * @throws WrongModelException where it was trained on another base model
     */
    fun loadAdapter(file: File): Adapter

    /**
     * Makes one adapter file of several adapters, for prompts that name several subjects. Seconds.
     *
     * @param adapters two or more, none merged already, no token twice
     * @param file replaced as a whole
     */
    fun mergeAdapters(adapters: List<Adapter>, file: File)

    /**
     * Paints pictures: [GenerateEvent.Progress] again and again, then one [GenerateEvent.Pictures].
     *
     * Cold: every collector paints. The work is done on a thread of its own; a slow collector misses progress, never
     * the pictures. Cancelling the collector stops the work before the next call of the model, and the collector ends
     * only then. Collecting throws a [LikenessException].
     *
     * @param adapter null: the model as it is. It may be closed while it is painting
     */
    fun generate(settings: SampleSettings, adapter: Adapter? = null): Flow<GenerateEvent>

    /** Unloads programs that are kept for the next call: after a warning that memory is short. */
    fun trim()

    /**
     * Never waits: calls that are under way end as they would have, and the last one frees the memory. Every later
     * call throws IllegalStateException. Sessions and adapters live on. Closing twice does nothing.
     */
    override fun close()
}
