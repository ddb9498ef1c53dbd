package app.likeness.teach

import app.likeness.bundle.StudioProvider
import app.likeness.runtime.Picture
import app.likeness.runtime.Plan
import app.likeness.runtime.Studio
import app.likeness.storage.DraftStore
import app.likeness.storage.Measurements
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.flow.collect
import kotlinx.coroutines.withContext

/** Asks the core what teaching the draft will take, and this phone how fast it is. */
class Planner(
    private val studios: StudioProvider,
    private val drafts: DraftStore,
    private val measurements: Measurements,
    private val phone: PhoneResources,
    private val io: CoroutineDispatcher,
    private val nanos: () -> Long = System::nanoTime,
) {
    private var probed: Double? = null

    suspend fun classes(): List<String> = studios.get().info.classes

    /** Throws what the core has against [photo], before it is kept. */
    suspend fun check(photo: Picture) {
        val studio = studios.get()
        withContext(io) {
            studio.createSession(studio.trainSettings(ANY_CLASS, ANY_TOKEN), null).use { it.addPhoto(photo) }
        }
    }

    /** The forecast for the draft's photos numbered [photos]. Throws what the core has against them. */
    suspend fun forecast(className: String, photos: List<Int>): Forecast {
        val studio = studios.get()
        val plan = withContext(io) { plan(studio, className, photos) }
        val measured = withContext(io) { measurements.read() }
        val perStep = measured.secondsPerStep ?: probed ?: probe(studio).also { probed = it }
        return forecast(plan, measured, perStep, phone)
    }

    private fun plan(studio: Studio, className: String, photos: List<Int>): Plan =
        studio.createSession(studio.trainSettings(className, ANY_TOKEN), null).use { session ->
            photos.forEach { session.addPhoto(drafts.readPhoto(it)) }
            session.plan
        }

    /** Seconds of a training step, from the time of a few calls of the model; the first ones load its programs. */
    private suspend fun probe(studio: Studio): Double {
        val settings = studio.sampleSettings("").copy(steps = PROBE_CALLS, count = 1, guidanceScale = 1.0)
        studio.generate(settings.copy(steps = 1)).collect()
        val started = nanos()
        studio.generate(settings).collect()
        return (nanos() - started) / 1e9 / PROBE_CALLS * STEP_PER_CALL
    }

    private companion object {
        const val ANY_CLASS = "thing"
        const val ANY_TOKEN = "<my-thing>"
        const val PROBE_CALLS = 3L

        /** The core's benchmark: 35 ms a training step, 11 ms a call of the model. */
        const val STEP_PER_CALL = 3.2
    }
}
