package app.likeness.runtime

import kotlinx.coroutines.flow.Flow
import java.io.File

/** A session of the core. [Engine.createSession] and [Engine.resumeSession] make them. */
class Session internal constructor(address: Long) : Personalization {
    private val handle = ExclusiveHandle(address, "session", Native::sessionClose)

    override fun addPhoto(photo: Picture) =
        handle.use { Native.sessionAddPhoto(it, photo.rgb, photo.width, photo.height) }

    override val plan: Plan
        get() = handle.use { Native.sessionPlan(it) }

    override fun run(): Flow<TrainEvent> = longCallFlow { Run() }

    override fun pause() = handle.signal(Native::sessionPause)

    override fun unpause() = handle.signal(Native::sessionUnpause)

    override fun cancel() = handle.signal(Native::sessionCancel)

    override fun saveAdapter(file: File) {
        val path = file.toCore()
        handle.use { Native.sessionSaveAdapter(it, path) }
    }

    override fun close() = handle.close()

    private inner class Run : LongCall<TrainEvent> {
        private lateinit var visit: ExclusiveHandle.Visit

        override val name = "likeness-training"

        override fun begin() {
            visit = handle.enter()
        }

        override fun work(post: (TrainEvent) -> Unit) = Native.sessionRun(handle.address(visit), PostingCallbacks(post))

        override fun end() = handle.leave(visit)

        override fun interrupt() = handle.signalDuring(visit, Native::sessionCancel)

        override fun isProgress(event: TrainEvent) = event is TrainEvent.Progress
    }

    companion object {
        /** True where [journal] holds a session whose photos are encoded, so that it can be resumed without them. */
        fun canResume(journal: File): Boolean = File(journal, "views.safetensors").isFile
    }
}

private class PostingCallbacks(private val post: (TrainEvent) -> Unit) : TrainCallbacks {
    override fun progress(phase: Int, step: Long, steps: Long, loss: Double, seconds: Double, eta: Double) =
        post(TrainEvent.Progress(Phase.entries[phase], step, steps, loss, seconds, eta))

    override fun preview(step: Long, rgb: ByteArray, size: Int) =
        post(TrainEvent.Preview(step, Picture(size, size, rgb)))
}
