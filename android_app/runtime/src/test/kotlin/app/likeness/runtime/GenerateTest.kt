package app.likeness.runtime

import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.Test
import java.io.File
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue

/** Pictures, and the rest of what an engine does. */
class GenerateTest : RuntimeTest() {
    private val engine = World.engine

    @Test
    fun `progress rises to its total, then come the pictures`() {
        val events = runBlocking { engine.generate(engine.quickSampling().copy(count = 2)).toList() }
        val progress = events.dropLast(1).map { it as GenerateEvent.Progress }
        assertTrue(progress.zipWithNext().all { (a, b) -> a.done < b.done && a.total == b.total })
        assertEquals(progress.last().total, progress.last().done)
        val pictures = (events.last() as GenerateEvent.Pictures).pictures
        assertEquals(2, pictures.size)
        assertTrue(pictures.all { it.width == engine.info.imageSize && it.height == engine.info.imageSize })
        assertFalse(pictures[0].rgb.contentEquals(pictures[1].rgb))
    }

    @Test
    fun `a picture depends on its seed and number alone`() {
        val two = engine.paint(engine.quickSampling().copy(count = 2))
        assertContentEquals(two[0].rgb, engine.paint(engine.quickSampling()).single().rgb)
        val other = engine.paint(engine.quickSampling().copy(seed = 6)).single()
        assertFalse(two[0].rgb.contentEquals(other.rgb))
    }

    @Test
    fun `an adapter changes the picture and brings its token`() {
        engine.loadAdapter(engine.learn(File(folder, "a"))).use { adapter ->
            val settings = engine.quickSampling("a photo of a $TOKEN dog")
            val (with, without) = listOf(adapter, null).map { engine.paint(settings, it).single() }
            assertFalse(with.rgb.contentEquals(without.rgb))
            assertEquals(1, engine.tokenize(TOKEN, adapter).size)
            assertTrue(engine.tokenize(TOKEN).size > 1)
        }
    }

    @Test
    fun `many threads paint with one engine and one adapter at once`() {
        engine.loadAdapter(engine.learn(File(folder, "a"))).use { adapter ->
            val settings = List(12) { engine.quickSampling("a $TOKEN dog").copy(seed = it.toLong()) }
            val expected = settings.map { engine.paint(it, adapter).single().rgb }
            val actual =
                runBlocking {
                    settings.map { async(Dispatchers.IO) { engine.paint(it, adapter).single().rgb } }.awaitAll()
                }
            for (i in settings.indices) assertContentEquals(expected[i], actual[i])
        }
    }

    @Test
    fun `cancelling the collector stops the painting`() {
        val endless = engine.quickSampling().copy(steps = 900, count = 1000) // hours
        runBlocking {
            val started = CompletableDeferred<Unit>()
            val job = launch(Dispatchers.Default) { engine.generate(endless).collect { started.complete(Unit) } }
            started.await()
            job.cancelAndJoin()
            engine.generate(endless).first()
        }
        val painting = Thread.getAllStackTraces().keys.filter { it.name == "likeness-painting" && it.isAlive }
        painting.forEach { it.join(10_000) } // it has told of its end already
        assertEquals(emptyList(), painting.filter { it.isAlive })
    }

    @Test
    fun `two subjects merge into one adapter`() {
        val other = engine.quickSettings().copy(token = "<your-cat>", className = "cat", seed = 12)
        val files = listOf(engine.learn(File(folder, "a")), engine.learn(File(folder, "b"), other))
        val adapters = files.map(engine::loadAdapter)
        val merged = File(folder, "merged")
        engine.mergeAdapters(adapters, merged)
        engine.loadAdapter(merged).use { adapter ->
            assertEquals(listOf(TOKEN, "<your-cat>"), adapter.info.tokens)
            assertEquals("full", adapter.info.kind)
            assertEquals(1, engine.paint(engine.quickSampling("a $TOKEN and a <your-cat>"), adapter).size)
        }
        assertFailsWith<InvalidArgumentException> { engine.mergeAdapters(adapters.take(1), merged) }
        assertFailsWith<InvalidArgumentException> { engine.mergeAdapters(emptyList(), merged) }
        assertFailsWith<InvalidArgumentException> { engine.mergeAdapters(adapters + adapters, merged) }
        adapters.forEach(Adapter::close)
    }

    @Test
    fun `an adapter that no engine loaded is refused`() {
        val foreign =
            object : Adapter {
                override val info = AdapterInfo("full", listOf("<a>"), "dog", "{}")

                override fun close() = Unit
            }
        assertFailsWith<InvalidArgumentException> { engine.paint(engine.quickSampling(), foreign) }
    }

    @Test
    fun `a photo goes through the autoencoder`() {
        val shown = engine.encodeDecode(photo())
        assertEquals(engine.info.imageSize to engine.info.imageSize, shown.width to shown.height)
        assertFalse(shown.rgb.contentEquals(engine.encodeDecode(photo(seed = 1)).rgb))
    }

    @Test
    fun `the engine tells of its bundle`() {
        val info = engine.info
        assertEquals(Triple("tiny", 32, 2), Triple(info.modelName, info.imageSize, info.maxModifierTokens))
        assertEquals(setOf("full", "lora"), info.adapterKinds.toSet())
        assertTrue("dog" in info.classes && "cat" in info.classes)
        assertTrue("recommended" in parseJson(info.json) as Map<*, *>)
        val before = engine.paint(engine.quickSampling()).single().rgb
        engine.trim()
        assertContentEquals(before, engine.paint(engine.quickSampling()).single().rgb)
    }
}
