package app.likeness.teach

import app.likeness.World
import app.likeness.WorldTest
import app.likeness.await
import app.likeness.fakes.plainPicture
import app.likeness.filesUnder
import app.likeness.problem.ProblemKind
import app.likeness.runtime.BadPhotoException
import app.likeness.runtime.DiskFullException
import app.likeness.storage.Draft
import app.likeness.storage.SubjectState
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class TeachViewModelTest : WorldTest() {
    /** "64" is a photo of 64 pixels; anything else cannot be read. */
    private val photos = PhotoSource { reference ->
        plainPicture(1, reference.toIntOrNull() ?: throw BadPhotoException("no photo"))
    }
    private val taught = mutableListOf<String>()

    private fun World.model() =
        TeachViewModel(drafts, subjects, planner, photos, io, newScope(), { 7 }, { taught += it })

    private suspend fun TeachViewModel.loaded() = also { state.await { it.loaded } }

    private suspend fun TeachViewModel.add(vararg references: String) {
        addPhotos(references.toList())
        state.await { it.adding == null }
    }

    private suspend fun TeachViewModel.filled() = loaded().also {
        add("64", "64", "64")
        setName(" Minka ")
        setClassName("Cat")
    }

    private suspend fun TeachViewModel.forecast(): Forecast {
        val known = state.await { it.forecast is ForecastState.Known }
        return assertIs<ForecastState.Known>(known.forecast).forecast
    }

    @Test
    fun tellsWhatItTakesAndStarts() = world.run {
        val model = model().filled()
        val forecast = model.forecast()
        assertFalse(forecast.timeIsMeasured)
        assertTrue(forecast.seconds > 0)
        assertEquals(1000, forecast.memoryBytes)
        assertEquals(3000, forecast.storageBytes)
        assertNull(forecast.batteryPercent)
        assertTrue(model.state.value.canStart)
        model.start()
        val id = assertNotNull(model.state.await { it.startedId != null }.startedId)
        assertEquals(listOf(id), taught)
        val subject = assertNotNull(subjects.find(id))
        assertEquals("Minka", subject.name)
        assertEquals("cat", subject.className)
        assertEquals(listOf("<my-minka>"), subject.tokens)
        assertEquals(SubjectState.LEARNING, subject.state)
        assertEquals(Draft(), drafts.read())
    }

    /** Android may end the app while the picker shows, and hands the photos to a new screen at once. */
    @Test
    fun photosThatComeBeforeTheDraftIsReadAreKept() = world.run {
        val model = model()
        model.addPhotos(listOf("64", "64"))
        assertEquals(listOf(0, 1), model.state.await { it.photos.size == 2 }.photos)
    }

    @Test
    fun knowsWhatThisPhoneShowedBefore() = world.run {
        measurements.record(secondsPerStep = 90.0, percentPerHour = 12.0)
        val forecast = model().filled().forecast()
        assertTrue(forecast.timeIsMeasured)
        assertEquals(20 * 90.0, forecast.seconds)
        assertEquals(6.0, forecast.batteryPercent)
        assertEquals(emptyList(), fake.generated)
    }

    @Test
    fun saysWhatIsShort() {
        val short = object : PhoneResources {
            override fun freeMemoryBytes() = 999L

            override fun freeStorageBytes() = 2999L
        }
        world.run {
            val plan = fake.createSession(fake.trainSettings("cat", "<a>"), null).plan
            val forecast = forecast(plan, measurements.read(), 1.0, short)
            assertTrue(forecast.memoryIsShort && forecast.storageIsShort)
        }
    }

    @Test
    fun nothingIsPlannedWithoutPhotosOrClass() = world.run {
        val model = model().loaded()
        model.setClassName("cat")
        assertEquals(ForecastState.NothingToPlan, model.state.value.forecast)
        model.add("64")
        model.forecast()
        model.setClassName(" ")
        assertEquals(ForecastState.NothingToPlan, model.state.value.forecast)
        assertFalse(model.state.value.canStart)
    }

    @Test
    fun photosThatCannotBeUsedAreCountedAndTheOthersStay() = world.run {
        val model = model().loaded()
        model.add("64", "broken", "31", "64")
        val state = model.state.value
        assertEquals(listOf(0, 1), state.photos)
        assertEquals(2, state.refused)
        assertEquals(ProblemKind.BAD_PHOTO, state.problem?.kind)
        model.dismissProblem()
        assertNull(model.state.value.problem)
    }

    @Test
    fun noMorePhotosThanThereIsRoomFor() = world.run {
        val model = model().loaded()
        model.add(*Array(TeachUiState.MAX_PHOTOS + 3) { "32" })
        val state = model.state.await { it.photos.size == TeachUiState.MAX_PHOTOS }
        assertFalse(state.canAdd)
    }

    @Test
    fun photosCanBeTakenOut() = world.run {
        val model = model().loaded()
        model.add("64", "64")
        model.removePhoto(0)
        model.state.await { it.photos == listOf(1) }
        assertNull(model.photo(0))
        assertEquals(64, model.photo(1)?.width)
    }

    @Test
    fun theDraftSurvivesTheProcess() {
        world.run {
            val model = model().filled()
            model.forecast()
        }
        newWorld().run {
            val model = model().loaded()
            val state = model.state.value
            assertEquals(Triple(" Minka ", "Cat", listOf(0, 1, 2)), Triple(state.name, state.className, state.photos))
            model.forecast()
        }
    }

    @Test
    fun discardingForgetsThePhotos() = world.run {
        val model = model().filled()
        model.forecast()
        model.discard()
        model.state.await { it.discarded && it.photos.isEmpty() && it.name.isEmpty() }
        assertEquals(emptySet(), filesUnder(root).filter { it.startsWith("draft") }.toSet())
    }

    @Test
    fun aPlanThatFailsSaysWhy() = world.run {
        val model = model().loaded()
        model.add("64")
        fake.failures["createSession"] = DiskFullException("no space")
        model.setClassName("cat")
        val failed = model.state.await { it.forecast is ForecastState.Failed }.forecast
        assertEquals(ProblemKind.STORAGE_FULL, assertIs<ForecastState.Failed>(failed).problem.kind)
        assertFalse(model.state.value.canStart)
    }

    @Test
    fun aStartThatFailsKeepsTheDraft() = world.run {
        val model = model().filled()
        model.forecast()
        disk.room = 0
        model.start()
        assertEquals(ProblemKind.STORAGE_FULL, model.state.await { it.problem != null }.problem?.kind)
        disk.room = Long.MAX_VALUE
        assertEquals(3, drafts.read().photos.size)
        model.start()
        model.state.await { it.startedId != null }
    }

    @Test
    fun aModelThatDoesNotOpenIsSaid() = world.run {
        openFailure = DiskFullException("no space")
        val model = model().loaded()
        assertEquals(ProblemKind.STORAGE_FULL, model.state.await { it.problem != null }.problem?.kind)
    }

    @Test
    fun suggestsTheModelsClasses() = world.run {
        assertEquals(listOf("cat", "dog", "mug"), model().state.await { it.classes.isNotEmpty() }.classes)
    }
}
