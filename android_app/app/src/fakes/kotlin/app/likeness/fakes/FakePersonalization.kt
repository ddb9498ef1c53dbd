package app.likeness.fakes

import app.likeness.runtime.BadPhotoException
import app.likeness.runtime.BusyException
import app.likeness.runtime.InvalidArgumentException
import app.likeness.runtime.Personalization
import app.likeness.runtime.Phase
import app.likeness.runtime.Picture
import app.likeness.runtime.Plan
import app.likeness.runtime.TrainEvent
import app.likeness.runtime.TrainSettings
import app.likeness.runtime.WorkCancelledException
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.FlowCollector
import kotlinx.coroutines.flow.flow
import java.io.File
import java.util.concurrent.atomic.AtomicBoolean

/** A session of [FakeStudio]; [pauses] and [photos] tell tests what was asked of it. */
class FakePersonalization internal constructor(
    private val studio: FakeStudio,
    private val settings: TrainSettings,
    private val journal: FakeJournal?,
    stored: FakeJournal.Stored?,
) : Personalization {
    private val running = AtomicBoolean()
    private var encoded = stored != null
    private var step = stored?.step ?: 0

    @Volatile
    private var cancelled = false

    @Volatile
    var paused = false
        private set

    @Volatile
    var pauses = 0
        private set

    @Volatile
    var closed = false
        private set

    val photos = mutableListOf<Picture>()
    val resumedAt: Long = step

    override fun addPhoto(photo: Picture) {
        if (minOf(photo.width, photo.height) < SHORTEST_SIDE) throw BadPhotoException("the photo is too small")
        if (encoded) throw InvalidArgumentException("the photos are encoded already")
        photos += photo
    }

    override val plan: Plan
        get() = Plan(settings.steps, step, photos.size.toLong(), settings.views, 2, 2, 1000, 2000, 3000, false, "cat")

    override fun run(): Flow<TrainEvent> = flow {
        if (!running.compareAndSet(false, true)) throw BusyException("the session is running already")
        try {
            if (!encoded) encode()
            while (step < settings.steps) train()
        } finally {
            if (encoded) checkpoint()
            running.set(false)
            cancelled = false
        }
    }

    override fun pause() {
        if (!paused) pauses++
        paused = true
    }

    override fun unpause() {
        paused = false
    }

    override fun cancel() {
        cancelled = true
    }

    override fun saveAdapter(file: File) {
        studio.fail("saveAdapter")
        if (!encoded) throw InvalidArgumentException("nothing is learned yet")
        FakeAdapterFile.write(file, listOf(settings.token), settings.className)
    }

    override fun close() {
        if (running.get()) throw BusyException("the session runs")
        closed = true
    }

    private suspend fun FlowCollector<TrainEvent>.encode() {
        if (photos.isEmpty()) throw InvalidArgumentException("the session has no photo")
        for (view in 1..settings.views) {
            await()
            delay(studio.stepMillis)
            emit(progress(Phase.ENCODING, view, settings.views))
        }
        encoded = true
        checkpoint()
    }

    private suspend fun FlowCollector<TrainEvent>.train() {
        await()
        delay(studio.stepMillis)
        studio.failAtStep?.takeIf { it.first == step + 1 }?.let {
            studio.failAtStep = null
            throw it.second
        }
        step++
        if (step % settings.checkpointEvery == 0L) checkpoint()
        emit(progress(Phase.TRAINING, step, settings.steps))
        if (step % settings.previewEvery == 0L) emit(TrainEvent.Preview(step, plainPicture(step)))
    }

    private suspend fun await() {
        while (paused && !cancelled) delay(1)
        if (cancelled) throw WorkCancelledException("the session was cancelled")
    }

    private fun checkpoint() {
        journal?.write(FakeJournal.Stored(settings.className, settings.token, step))
    }

    private fun progress(phase: Phase, step: Long, steps: Long) =
        TrainEvent.Progress(phase, step, steps, 0.5, step / 10.0, (steps - step) / 10.0)

    private companion object {
        const val SHORTEST_SIDE = 32
    }
}
