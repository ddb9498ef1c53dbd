package app.likeness.runtime

import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import org.junit.Test
import java.io.File
import java.util.concurrent.ConcurrentLinkedQueue
import kotlin.concurrent.thread
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertTrue

/** Closing in any order, from any thread, at any time: an IllegalStateException at worst, never a crash. */
class ClosingTest : RuntimeTest() {
    @Test
    fun `every call on a closed object says that it is closed`() {
        val engine = World.open(World.tinyBundle)
        val adapter = engine.loadAdapter(engine.learn(File(folder, "a")))
        val session = engine.newSession()
        val settings = engine.quickSettings()
        val sampling = engine.quickSampling()
        engine.use { adapter.use { session.close() } }

        assertSaysClosed(
            "engine",
            { engine.trainSettings("dog", TOKEN) },
            { engine.sampleSettings("a dog") },
            { engine.createSession(settings, null) },
            { engine.resumeSession(folder) },
            { engine.loadAdapter(File(folder, "a")) },
            { engine.mergeAdapters(listOf(adapter), File(folder, "b")) },
            { engine.paint(sampling) },
            { engine.tokenize("a dog") },
            { engine.encodeDecode(photo()) },
            { engine.trim() },
        )
        assertSaysClosed(
            "adapter",
            { World.engine.paint(sampling, adapter) },
            { World.engine.tokenize("a dog", adapter) },
            { World.engine.mergeAdapters(listOf(adapter, adapter), File(folder, "b")) },
        )
        assertSaysClosed(
            "session",
            { session.addPhoto(photo()) },
            { session.plan },
            { session.finish() },
            { session.pause() },
            { session.unpause() },
            { session.cancel() },
            { session.saveAdapter(File(folder, "b")) },
        )
    }

    private fun assertSaysClosed(what: String, vararg calls: () -> Any?) = calls.forEachIndexed { i, call ->
        val error = assertFailsWith<IllegalStateException>("call $i of $what") { call() }
        assertEquals("this $what is closed", error.message)
    }

    @Test
    fun `closing twice does nothing, and what an object says of itself stays readable`() {
        val engine = World.open(World.tinyBundle)
        val adapter = engine.loadAdapter(engine.learn(File(folder, "a")))
        val session = engine.newSession()
        repeat(2) {
            session.close()
            adapter.close()
            engine.close()
        }
        assertEquals("tiny", engine.info.modelName)
        assertEquals(listOf(TOKEN), adapter.info.tokens)
    }

    @Test
    fun `sessions and adapters outlive their engine`() {
        val engine = World.open(World.tinyBundle)
        val adapter = engine.loadAdapter(engine.learn(File(folder, "a")))
        val session = engine.newSession()
        engine.close()
        session.use { it.finish() }
        adapter.use { assertEquals(1, World.engine.paint(World.engine.quickSampling(), it).size) }
    }

    @Test
    fun `pictures that are being painted are finished when engine and adapter are closed`() {
        val engine = World.open(World.tinyBundle)
        val adapter = engine.loadAdapter(engine.learn(File(folder, "a")))
        val settings = engine.quickSampling("a $TOKEN dog").copy(steps = 40)
        val expected = engine.paint(settings, adapter).single()
        val events =
            runBlocking {
                val painting = engine.generate(settings, adapter)
                val seen = ArrayList<GenerateEvent>()
                painting.collect {
                    if (seen.isEmpty()) {
                        engine.close()
                        adapter.close()
                    }
                    seen += it
                }
                seen
            }
        assertContentEquals(expected.rgb, (events.last() as GenerateEvent.Pictures).pictures.single().rgb)
        assertFailsWith<IllegalStateException> { runBlocking { engine.generate(settings, adapter).toList() } }
    }

    @Test
    fun `threads that use and close the same objects never crash`() {
        val file = World.engine.learn(File(folder, "a"))
        val unexpected = ConcurrentLinkedQueue<Throwable>()
        var completed = 0
        repeat(20) { round ->
            val engine = World.open(World.tinyBundle)
            val adapter = engine.loadAdapter(file)
            val session = engine.newSession()
            val calls =
                listOf<() -> Unit>(
                    { engine.paint(engine.quickSampling(), adapter) },
                    { engine.tokenize("a $TOKEN dog", adapter) },
                    { engine.loadAdapter(file).close() },
                    { session.finish() },
                    { session.pause().also { session.unpause() } },
                    { session.plan },
                )
            val users =
                calls.map { call ->
                    thread {
                        try {
                            repeat(5) { call() }
                            synchronized(this) { completed++ }
                        } catch (_: IllegalStateException) {
                            // closed by the one below
                        } catch (_: BusyException) {
                            // the session is another thread's just now
                        } catch (error: Throwable) {
                            unexpected += error
                        }
                    }
                }
            Thread.sleep(round.toLong())
            adapter.close()
            engine.close()
            while (true) {
                try {
                    session.close()
                    break
                } catch (_: BusyException) {
                    Thread.sleep(1)
                }
            }
            users.forEach { it.join() }
        }
        assertEquals(emptyList(), unexpected.toList())
        assertTrue(completed > 0, "no thread came to its end before the objects were closed")
    }
}
