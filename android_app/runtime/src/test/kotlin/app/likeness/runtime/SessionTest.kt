package app.likeness.runtime

import org.junit.Test
import java.io.File
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue

/** What a session does when nobody disturbs it. */
class SessionTest : RuntimeTest() {
    private val engine = World.engine

    @Test
    fun `progress counts views, then steps, and ends with the last`() {
        val progress = engine.newSession().use { it.finish() }.map { it as TrainEvent.Progress }
        val (encoding, training) = progress.partition { it.phase == Phase.ENCODING }
        assertTrue(encoding.all { it.steps == 5L && it.step in 1..5 && it.loss == 0.0 })
        assertTrue(training.all { it.steps == 6L && it.step in 1..6 && it.loss > 0.0 })
        assertEquals(progress, encoding + training)
        for (phase in listOf(encoding, training)) assertTrue(phase.zipWithNext().all { (a, b) -> a.step < b.step })
        assertEquals(6, training.last().step)
        assertEquals(0.0, training.last().secondsLeft)
        assertTrue(training.last().secondsElapsed > 0.0)
    }

    @Test
    fun `a flow is cold, and a finished session has nothing left to do`() {
        engine.newSession().use { session ->
            val run = session.run()
            assertEquals(0, session.plan.stepsDone)
            session.finish()
            assertEquals(6, session.plan.stepsDone)
            val learned = session.adapterBytes()
            assertEquals(emptyList(), session.finish())
            assertContentEquals(learned, session.adapterBytes())
            assertTrue(run !== session.run())
        }
    }

    @Test
    fun `equal seeds give equal bytes, others do not`() {
        val seeds = listOf(11L, 11L, 12L, -1L)
        val bytes =
            seeds.map { seed ->
                engine.newSession(settings = engine.quickSettings().copy(seed = seed)).use {
                    it.finish()
                    it.adapterBytes()
                }
            }
        assertContentEquals(bytes[0], bytes[1])
        assertFalse(bytes[0].contentEquals(bytes[2]))
        assertFalse(bytes[0].contentEquals(bytes[3]))
    }

    @Test
    fun `previews arrive, each with its step`() {
        val settings = engine.quickSettings().copy(previewEvery = 3)
        val events = engine.newSession(settings = settings).use { it.finish() }
        val previews = events.filterIsInstance<TrainEvent.Preview>()
        assertEquals(listOf(3L, 6L), previews.map { it.step })
        for (preview in previews) {
            assertEquals(engine.info.imageSize, preview.picture.width)
            assertTrue(
                preview.picture.rgb
                    .distinct()
                    .size > 10,
            )
        }
        assertFalse(previews[0].picture.rgb.contentEquals(previews[1].picture.rgb))
    }

    @Test
    fun `the plan says what a session needs`() {
        engine.newSession().use { session ->
            val plan = session.plan
            assertEquals(listOf<Long>(6, 0, 2, 5), plan.run { listOf(steps, stepsDone, photos, views) })
            assertEquals(Triple(2L, 2L, "dog"), Triple(plan.instanceRows, plan.priorRows, plan.priorClass))
            assertTrue(plan.memoryBytes > 1_000_000 && plan.residentMemoryBytes == plan.memoryBytes)
            assertTrue(plan.journalBytes > 0)
            assertFalse(plan.staged)
        }
        engine.newSession(settings = engine.quickSettings().copy(priorLossWeight = 0.0)).use { session ->
            assertEquals(listOf(4L, 0L), session.plan.run { listOf(instanceRows, priorRows) })
            assertEquals("", session.plan.priorClass)
        }
    }

    @Test
    fun `a memory limit changes the plan and not the bytes`() {
        val expected =
            engine.newSession().use {
                it.finish()
                it.adapterBytes()
            }
        val options = EngineOptions(verifyHashes = false, threads = 1, memoryLimitBytes = 1)
        Engine.open(World.tinyBundle, options).use { limited ->
            limited.newSession().use { session ->
                assertTrue(session.plan.staged)
                assertTrue(session.plan.memoryBytes < session.plan.residentMemoryBytes)
                session.finish()
                assertContentEquals(expected, session.adapterBytes())
            }
        }
    }

    @Test
    fun `every setting arrives where it belongs`() {
        val settings =
            TrainSettings(
                className = "mug",
                token = "<mine>",
                adapterKind = "lora",
                optimizer = "muon",
                lrSchedule = "cosine",
                previewPrompt = "a mug",
                seed = 1,
                steps = 2,
                warmupSteps = 3,
                views = 4,
                checkpointEvery = 5,
                previewEvery = 6,
                learningRate = 0.5,
                modifierLearningRate = 0.25,
                weightDecay = 0.125,
                maxGradNorm = 2.5,
                priorLossWeight = 0.75,
                priorTextWeight = 1.5,
                fineTimesteps = 0.625,
                hflip = true,
                sizeAugmentation = false,
                captionPlaces = true,
            )
        val file = engine.learn(File(folder, "a.safetensors"), settings)
        val training =
            engine.loadAdapter(file).use { adapter ->
                assertEquals(AdapterInfo("lora", listOf("<mine>"), "mug", adapter.info.json), adapter.info)
                (parseJson(adapter.info.json) as Map<*, *>)["training"] as Map<*, *>
            }
        val expected =
            mapOf(
                "class_name" to "mug",
                "token" to "<mine>",
                "adapter_kind" to "lora",
                "optimizer" to "muon",
                "lr_schedule" to "cosine",
                "preview_prompt" to "a mug",
                "seed" to 1.0,
                "steps" to 2.0,
                "warmup_steps" to 3.0,
                "views" to 4.0,
                "checkpoint_every" to 5.0,
                "preview_every" to 6.0,
                "learning_rate" to 0.5,
                "modifier_learning_rate" to 0.25,
                "weight_decay" to 0.125,
                "max_grad_norm" to 2.5,
                "prior_loss_weight" to 0.75,
                "prior_text_weight" to 1.5,
                "fine_timesteps" to 0.625,
                "hflip" to true,
                "size_augmentation" to false,
                "caption_places" to true,
                "photos" to 2.0,
            )
        assertEquals<Map<*, *>>(expected, training)
    }

    @Test
    fun `recommended settings are the bundle's`() {
        val recommended = ((parseJson(engine.info.json) as Map<*, *>)["recommended"] as Map<*, *>)
        val training = recommended["training"] as Map<*, *>
        val settings = engine.trainSettings("dog", TOKEN)
        assertEquals("dog" to TOKEN, settings.className to settings.token)
        (training["steps"] as Double?)?.let { assertEquals(it.toLong(), settings.steps) }
        (training["learning_rate"] as Double?)?.let { assertEquals(it, settings.learningRate) }
        val sampling = recommended["sampling"] as Map<*, *>
        val painting = engine.sampleSettings("a dog")
        assertEquals("a dog", painting.prompt)
        assertEquals(sampling["guidance_scale"], painting.guidanceScale)
        assertEquals((sampling["steps"] as Double).toLong(), painting.steps)
    }

    @Test
    fun `photos come before the run`() {
        engine.createSession(engine.quickSettings(), journal = null).use { session ->
            val error = assertFailsWith<InvalidArgumentException> { session.finish() }
            assertTrue("no photo" in error.message!!)
            assertFailsWith<InvalidArgumentException> { session.saveAdapter(File(folder, "a")) }
            assertFailsWith<BadPhotoException> { session.addPhoto(photo(width = 31, height = 400)) }
            session.addPhoto(photo(width = 32, height = 32))
            session.finish()
            assertFailsWith<InvalidArgumentException> { session.addPhoto(photo()) }
        }
    }
}
