package app.likeness.resources

import org.w3c.dom.Element
import org.w3c.dom.Node
import java.io.File
import javax.xml.parsers.DocumentBuilderFactory

/** The app's own sources, for tests that read them. */
internal object AppSources {
    val main = File(System.getProperty("likeness.repository"), "android_app/app/src/main")
    val resources = File(main, "res")
    val manifest: Element by lazy { parse(File(main, "AndroidManifest.xml")) }
    val kotlin: List<File> by lazy { File(main, "kotlin").walk().filter { it.extension == "kt" }.toList() }
    val xml: List<File> by lazy { resources.walk().filter { it.extension == "xml" }.toList() }

    fun parse(file: File): Element =
        DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file).documentElement

    /** The strings and plurals of a values folder, by name. */
    fun strings(folder: String): Map<String, Element> {
        val file = File(resources, "$folder/strings.xml")
        return parse(file).children().associateBy { it.getAttribute("name") }
    }

    /** Everything that can be named as R.type.name, declared in a values file, by its own file, or as an id. */
    fun declared(): Set<String> {
        val files = xml.filter { !it.parentFile.name.startsWith("values") }
        val ofFiles = files.map { it.parentFile.name.substringBefore('-') + "/" + it.nameWithoutExtension }
        val ofValues = xml.filter { it.parentFile.name.startsWith("values") }.flatMap { file ->
            parse(file).children().map { it.tagName + "/" + it.getAttribute("name") }
        }
        val ofIds = files.flatMap {
            Regex("@\\+id/(\\w+)").findAll(it.readText()).map { id -> "id/" + id.groupValues[1] }
        }
        return (ofFiles + ofValues + ofIds).toSet()
    }

    /** Everything that Kotlin, resources or the manifest name; dots of style names are as in XML. */
    fun used(): Set<String> {
        val fromKotlin = kotlin.flatMap { Regex("(?<!android\\.)\\bR\\.(\\w+)\\.(\\w+)").findAll(it.readText()) }
            .map { it.groupValues[1] + "/" + it.groupValues[2] }
        val texts = (xml + File(main, "AndroidManifest.xml")).map(File::readText)
        val fromXml = texts.flatMap { Regex("@(\\w+)/([\\w.]+)").findAll(it) }
            .map { it.groupValues[1] + "/" + it.groupValues[2] }
        val parents = texts.flatMap { Regex("parent=\"([\\w.]+)\"").findAll(it) }.map { "style/" + it.groupValues[1] }
        return (fromKotlin + fromXml + parents).toSet()
    }
}

internal fun Element.children(): List<Element> =
    (0 until childNodes.length).map(childNodes::item).filter { it.nodeType == Node.ELEMENT_NODE }.map { it as Element }

internal fun Element.all(tag: String): List<Element> =
    getElementsByTagName(tag).let { list -> (0 until list.length).map { list.item(it) as Element } }
