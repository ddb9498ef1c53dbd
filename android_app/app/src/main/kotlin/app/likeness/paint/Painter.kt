package app.likeness.paint

import app.likeness.bundle.StudioProvider
import app.likeness.runtime.Adapter
import app.likeness.runtime.GenerateEvent
import app.likeness.runtime.Picture
import app.likeness.runtime.SampleSettings
import app.likeness.runtime.Studio
import app.likeness.storage.KeptPicture
import app.likeness.storage.MergedAdapters
import app.likeness.storage.PictureStore
import app.likeness.storage.Subject
import app.likeness.storage.newId
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.withContext

/** Paints a prompt with the adapters of the subjects in it, and keeps the pictures. */
class Painter(
    private val studios: StudioProvider,
    private val merged: MergedAdapters,
    private val pictures: PictureStore,
    private val io: CoroutineDispatcher,
    private val now: () -> Long,
) {
    /** What the model's makers recommend, and how many subjects it can tell apart. */
    suspend fun defaults(): Pair<SampleSettings, Int> {
        val studio = studios.get()
        return studio.sampleSettings("") to studio.info.maxModifierTokens
    }

    /** Cancelling stops before the next call of the model; nothing is kept then. Throws what the core throws. */
    suspend fun paint(
        settings: PaintSettings,
        subjects: List<Subject>,
        progress: (PaintProgress) -> Unit,
    ): List<KeptPicture> {
        val studio = studios.get()
        val painted = paint(studio, settings, subjects, progress)
        val createdAt = now()
        val notes = List(painted.size) { index -> note(settings, index, subjects, createdAt) }
        withContext(io) { notes.zip(painted).forEach { (note, picture) -> pictures.keep(picture, note) } }
        return notes
    }

    private suspend fun paint(
        studio: Studio,
        settings: PaintSettings,
        subjects: List<Subject>,
        progress: (PaintProgress) -> Unit,
    ): List<Picture> {
        var adapter: Adapter? = null
        var painted = emptyList<Picture>()
        try {
            // Kept before withContext() returns: where painting is cancelled meanwhile, it returns nothing.
            withContext(io) { adapter = adapterOf(studio, subjects) }
            studio.generate(settings.toSampling(studio), adapter).collect { event ->
                when (event) {
                    is GenerateEvent.Progress -> progress(PaintProgress(event.done, event.total))
                    is GenerateEvent.Pictures -> painted = event.pictures
                }
            }
        } finally {
            adapter?.close()
        }
        return painted
    }

    private fun adapterOf(studio: Studio, subjects: List<Subject>): Adapter? =
        if (subjects.isEmpty()) null else studio.loadAdapter(merged.file(studio, subjects.map(Subject::id)))

    private fun PaintSettings.toSampling(studio: Studio) = studio.sampleSettings(prompt).copy(
        negativePrompt = negativePrompt,
        seed = seed,
        steps = steps.toLong(),
        count = count.toLong(),
        guidanceScale = guidance,
    )

    private fun note(settings: PaintSettings, index: Int, subjects: List<Subject>, createdAt: Long) = KeptPicture(
        id = newId(),
        prompt = settings.prompt,
        negativePrompt = settings.negativePrompt,
        seed = settings.seed,
        index = index,
        steps = settings.steps.toLong(),
        guidance = settings.guidance,
        subjects = subjects.map(Subject::name),
        createdAt = createdAt,
    )
}
